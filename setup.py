"""What is compiled, all else stands in pyproject.toml: setuptools calls its table of it a trial.

Without a C compiler the project is built all the same, and reads a flood at two thirds of the rate.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            f"mailsla.schemas.compiled.{name}", [f"schemas/compiled/{name}.pyx"], optional=True
        )
        for name in ("log", "texts")
    ]
)
