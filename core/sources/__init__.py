"""Price sources, one file each; `registry` names them."""
