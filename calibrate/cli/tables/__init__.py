"""What commands print for a reader: tables, and the lines around them."""
