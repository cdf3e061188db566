#include "DashboardPage.h"

// Clang knows #embed from C23; SwiftPM compiles C as C17.
#pragma clang diagnostic ignored "-Wc23-extensions"

// Each file of the folder `page` is here twice: its bytes, and its line in the table. A test compares the table with the
// folder.

static const unsigned char index_html[] = {
#embed "page/index.html"
};

#define FILE_OF(name, bytes) {name, bytes, sizeof bytes}

static const pollux_page_file files[] = {
    FILE_OF("index.html", index_html),
};

const pollux_page_file *pollux_page_files(size_t *count) {
    *count = sizeof files / sizeof files[0];
    return files;
}
