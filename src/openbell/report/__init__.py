"""A run looked at from outside: figures and one offline HTML file. Reads the store, changes nothing."""
