"""Parts of classifiers that mmpretrain lacks; importing registers them."""
from .class_folders import ClassFolders

__all__ = ['ClassFolders']
