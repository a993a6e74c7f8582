"""The web page: the reports as HTML, with one stylesheet and one script.

Belongs here: templates, the words and shapes that they need. Does not belong here: gathering
(`reports/`), access and HTTP (`inbound/page.py`).
"""
