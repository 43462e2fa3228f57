"""How the models that ship with the package were fitted; nothing at run time needs it."""
