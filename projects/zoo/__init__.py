"""The model zoo's records: metafiles, and the tables made from them."""
from .metafile import read_metafile
from .tables import fill_tables

__all__ = ['fill_tables', 'read_metafile']
