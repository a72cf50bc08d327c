"""The Vega-Lite renderer. Imported in worker processes only; the only importer of vl_convert."""
