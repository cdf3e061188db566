#include "EmbeddedFiles.h"

// Files of more than 10 KB, which `.embedInCode` would turn into an array literal that takes Swift seconds to compile.
// Clang knows #embed from C23; SwiftPM compiles C as C17.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char openapi_json[] = {
#embed "../LocalAPI/openapi.json"
};
pollux_embedded_file pollux_openapi_json(void) {
    return (pollux_embedded_file){openapi_json, sizeof openapi_json};
}

static const unsigned char xhuoapi_yaml[] = {
#embed "../ProviderCatalog/Definitions/xhuoapi.yaml"
};
pollux_embedded_file pollux_xhuoapi_yaml(void) {
    return (pollux_embedded_file){xhuoapi_yaml, sizeof xhuoapi_yaml};
}
