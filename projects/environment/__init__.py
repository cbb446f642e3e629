"""What is installed, what is wrong with it, and the remedy.

The standard library only: this runs before anything is installed.
"""
from .finding import FAIL, Finding
from .imports import LIVE
from .packages import STATIC, check_python

__all__ = ['FAIL', 'LIVE', 'STATIC', 'Finding', 'check_python']
