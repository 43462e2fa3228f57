"""What must be fetched once before the platform can run: models that packages do not bring along."""
