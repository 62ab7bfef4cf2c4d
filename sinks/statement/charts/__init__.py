"""Charts as inline SVG: nothing but shapes and text, no script, no style sheet. Pure."""
