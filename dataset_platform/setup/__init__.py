"""What a machine needs once: Java, jars, the language model and the Dagster instance's folder."""
