"""Side-by-side runs against peers and against the bare minimum. They print ratios; absolute times depend on the machine."""
