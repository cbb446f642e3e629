"""The local page behind ``make app``: try models on pictures.

``choices`` names the models, ``models`` loads them, ``views`` runs them,
``pictures`` reads what is uploaded, ``server`` answers the browser, and
``page`` is what the browser shows.
"""
