"""The catalogue of recipes, and one runner module for each kind."""
