"""Launching: rendering a Plan as commands and files.

Not called "launch": a package of that name would hide the API's function planner.launch.
"""
