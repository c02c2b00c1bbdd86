# Numbers as in the Spanish of the United States and Mexico: 1,234.50
DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
