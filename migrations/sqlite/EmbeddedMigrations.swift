/// One step of the schema, in the order in which it is applied.
package struct EmbeddedMigration: Sendable {
    /// The file's name without its extension; recorded in the database once applied.
    package let name: String
    /// Plain SQL; run in one transaction.
    package let sql: String
}

/// Every migration of the SQLite store, embedded in the binary; a test compares the list with the folder.
package enum EmbeddedMigrations {
    /// Oldest first.
    package static let all: [EmbeddedMigration] = [
        // The generated property replaces the leading digit of the file's name.
        EmbeddedMigration(name: "0001_create_task", bytes: PackageResources._001_create_task_sql),
        EmbeddedMigration(name: "0002_learn_durations", bytes: PackageResources._002_learn_durations_sql),
        EmbeddedMigration(name: "0003_count_tasks", bytes: PackageResources._003_count_tasks_sql),
        EmbeddedMigration(name: "0004_take_callbacks", bytes: PackageResources._004_take_callbacks_sql),
        EmbeddedMigration(name: "0005_count_by_commit", bytes: PackageResources._005_count_by_commit_sql),
        EmbeddedMigration(name: "0006_check_without_lists", bytes: PackageResources._006_check_without_lists_sql),
        EmbeddedMigration(name: "0007_doubt_times", bytes: PackageResources._007_doubt_times_sql),
        EmbeddedMigration(name: "0008_know_records", bytes: PackageResources._008_know_records_sql),
        EmbeddedMigration(name: "0009_sum_clock_jumps", bytes: PackageResources._009_sum_clock_jumps_sql),
        EmbeddedMigration(
            name: "0010_keep_given_up_attempts", bytes: PackageResources._010_keep_given_up_attempts_sql),
        EmbeddedMigration(name: "0011_log_without_task", bytes: PackageResources._011_log_without_task_sql),
        EmbeddedMigration(name: "0012_add_note", bytes: PackageResources._012_add_note_sql),
        EmbeddedMigration(name: "0013_store_results", bytes: PackageResources._013_store_results_sql),
        EmbeddedMigration(name: "0014_hold_leases", bytes: PackageResources._014_hold_leases_sql),
        EmbeddedMigration(name: "0015_remember_epoch", bytes: PackageResources._015_remember_epoch_sql),
        EmbeddedMigration(name: "0016_link_retries", bytes: PackageResources._016_link_retries_sql),
        EmbeddedMigration(name: "0017_name_accounts", bytes: PackageResources._017_name_accounts_sql),
        EmbeddedMigration(name: "0018_remove_details", bytes: PackageResources._018_remove_details_sql),
        EmbeddedMigration(name: "0019_remove_stubs", bytes: PackageResources._019_remove_stubs_sql),
        EmbeddedMigration(name: "0020_notify_destinations", bytes: PackageResources._020_notify_destinations_sql),
        EmbeddedMigration(name: "0021_save_results", bytes: PackageResources._021_save_results_sql),
        EmbeddedMigration(
            name: "0023_pass_through_gateway", bytes: PackageResources._023_pass_through_gateway_sql),
        EmbeddedMigration(name: "0026_gateway_addresses", bytes: PackageResources._026_gateway_addresses_sql),
        EmbeddedMigration(
            name: "0027_join_equal_submissions", bytes: PackageResources._027_join_equal_submissions_sql),
        EmbeddedMigration(name: "0028_keep_parts", bytes: PackageResources._028_keep_parts_sql),
        EmbeddedMigration(name: "0029_keep_ledger", bytes: PackageResources._029_keep_ledger_sql),
        EmbeddedMigration(name: "0030_notify_without_task", bytes: PackageResources._030_notify_without_task_sql),
    ]
}

extension EmbeddedMigration {
    fileprivate init(name: String, bytes: [UInt8]) {
        self.init(name: name, sql: String(decoding: bytes, as: UTF8.self))
    }
}
