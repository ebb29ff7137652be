"""The search loop and the workers it drives."""
