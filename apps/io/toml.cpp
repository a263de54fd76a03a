// toml++ compiled once, here: everywhere else only its declarations are read (TOML_HEADER_ONLY=0, set for all of apps/).
#define TOML_IMPLEMENTATION
#include <toml++/toml.h>
