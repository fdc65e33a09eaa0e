"""Packages: every folder of planner/, and the facts of seeds/ and profiles/ inside them (the rest: pyproject.toml)."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["planner", "planner.*"]),
        "planner._data.seeds",
        "planner._data.profiles",
    ],
    package_dir={"planner._data.seeds": "seeds", "planner._data.profiles": "profiles"},
)
