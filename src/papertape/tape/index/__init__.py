"""What the first run over a tape leaves beside it, so that later ones need not read it: columns by kind and side, and books between."""
