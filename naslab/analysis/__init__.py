"""What outcomes say: outcomes in, tables out. Every table turns into JSON values by `rows()`; figures draw them."""
