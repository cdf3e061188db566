#pragma once

// Settings of SQLite that take variable arguments, which Swift cannot pass.

/// Turns off SQLite's memory statistics. To keep them, SQLite takes one lock of the whole process for each allocation, and
/// threads that only read wait for each other (https://sqlite.org/malloc.html, section 3.3).
///
/// Has an effect only before the first connection of the process is opened. Returns SQLite's code.
int pollux_sqlite_disable_memory_statistics(void);

struct sqlite3;

/// Makes a connection leave the write-ahead log alone when it closes. Otherwise SQLite copies the log into the database and
/// deletes it by its path, where another program may have put a file meanwhile
/// (https://sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfignockptonclose).
///
/// Returns SQLite's code.
int pollux_sqlite_keep_log_on_close(struct sqlite3 *connection);
