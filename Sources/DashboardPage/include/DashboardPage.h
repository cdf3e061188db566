#pragma once

#include <stddef.h>

/// A file of the dashboard's page. Its bytes are in the binary and are never freed.
typedef struct {
    /// The name in the folder `page`.
    const char *name;
    const unsigned char *start;
    size_t count;
} pollux_page_file;

/// All files of the page.
const pollux_page_file *pollux_page_files(size_t *count);
