"""A pasted command, log or error: what happened, why, and the smallest change.

paste.py cleans, read.py recognises, the engines' diagnosis modules explain, diagnose.py chooses.
"""
