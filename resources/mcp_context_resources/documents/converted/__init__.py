"""Documents that are not PDFs: text, pages of the web, office files, books and mail, in sections under headings."""
