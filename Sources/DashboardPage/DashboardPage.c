#include "DashboardPage.h"

// Clang knows #embed from C23; SwiftPM compiles C as C17.
#pragma clang diagnostic ignored "-Wc23-extensions"

// Each file of the folder `page` is here twice: its bytes, and its line in the table. A test compares the table with the
// folder.

static const unsigned char actions_js[] = {
#embed "page/actions.js"
};

static const unsigned char app_js[] = {
#embed "page/app.js"
};

static const unsigned char dom_js[] = {
#embed "page/dom.js"
};

static const unsigned char filter_js[] = {
#embed "page/filter.js"
};

static const unsigned char icon_svg[] = {
#embed "page/icon.svg"
};

static const unsigned char index_html[] = {
#embed "page/index.html"
};

static const unsigned char json_js[] = {
#embed "page/json.js"
};

static const unsigned char lists_js[] = {
#embed "page/lists.js"
};

static const unsigned char media_js[] = {
#embed "page/media.js"
};

static const unsigned char model_js[] = {
#embed "page/model.js"
};

static const unsigned char now_js[] = {
#embed "page/now.js"
};

static const unsigned char plot_js[] = {
#embed "page/plot.js"
};

static const unsigned char session_js[] = {
#embed "page/session.js"
};

static const unsigned char style_css[] = {
#embed "page/style.css"
};

static const unsigned char task_js[] = {
#embed "page/task.js"
};

static const unsigned char upkeep_js[] = {
#embed "page/upkeep.js"
};

#define FILE_OF(name, bytes) {name, bytes, sizeof bytes}

static const pollux_page_file files[] = {
    FILE_OF("actions.js", actions_js),
    FILE_OF("app.js", app_js),
    FILE_OF("dom.js", dom_js),
    FILE_OF("filter.js", filter_js),
    FILE_OF("icon.svg", icon_svg),
    FILE_OF("index.html", index_html),
    FILE_OF("json.js", json_js),
    FILE_OF("lists.js", lists_js),
    FILE_OF("media.js", media_js),
    FILE_OF("model.js", model_js),
    FILE_OF("now.js", now_js),
    FILE_OF("plot.js", plot_js),
    FILE_OF("session.js", session_js),
    FILE_OF("style.css", style_css),
    FILE_OF("task.js", task_js),
    FILE_OF("upkeep.js", upkeep_js),
};

const pollux_page_file *pollux_page_files(size_t *count) {
    *count = sizeof files / sizeof files[0];
    return files;
}
