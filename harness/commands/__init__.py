"""The commands of `delm`, one file each, imported only when they are asked for."""
