"""Documents, page by page. The only importer of pypdf and pypdfium2."""
