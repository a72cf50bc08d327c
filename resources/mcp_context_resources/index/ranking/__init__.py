"""Ranking of what any store retrieves, in workers: query parsing, scoring, fusion, phrases, marking."""
