// All of it is in the one header.
#pragma once
#include "assoc_container.hpp"
