"""Python recipes that come with musebuild."""
