"""The model zoo: its records, their tables, and weights from the network."""
from .index import ROOT, Entry, find, list_models, read_index, select
from .metafile import read_metafile
from .tables import fill_tables

__all__ = [
    'ROOT', 'Entry', 'fill_tables', 'find', 'list_models', 'read_index',
    'read_metafile', 'select'
]
