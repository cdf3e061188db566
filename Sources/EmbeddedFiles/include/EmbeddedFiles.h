#pragma once

#include <stddef.h>

/// The bytes of a file that the compiler put into the binary; they are never freed.
typedef struct {
    const unsigned char *start;
    size_t count;
} pollux_embedded_file;

/// Sources/LocalAPI/openapi.json.
pollux_embedded_file pollux_openapi_json(void);

/// Sources/ProviderCatalog/Definitions/xhuoapi.yaml.
pollux_embedded_file pollux_xhuoapi_yaml(void);
