from setuptools import setup

setup(name="durations", version="1.0", py_modules=["durations"])
