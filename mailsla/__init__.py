"""The installed name of the project; its three packages lie beside this folder."""
