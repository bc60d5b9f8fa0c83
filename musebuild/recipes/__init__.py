"""The catalogue of recipes, and one runner module for each kind."""

from musebuild.recipes.functions import recipe

__all__ = ["recipe"]
