import TaskModel
import VerbatimJSON

/// The mode as `meta` has it.
extension RestoredMode {
    var text: String {
        JSONValue.object(
            JSONObject([
                ("since_ms", .number(JSONNumber(Int(since.milliseconds)))),
                ("at_ms", .number(JSONNumber(Int(at.milliseconds)))), ("reason", .string(reason)),
                ("seen", .string(seen)),
            ])
        ).text
    }

    init(text: String) throws(TaskStoreError) {
        let json = try StoredDocument.read(text).object
        guard let since = json?["since_ms"]?.number.flatMap({ Int64($0.digits) }),
            let at = json?["at_ms"]?.number.flatMap({ Int64($0.digits) }), let reason = json?["reason"]?.string,
            let seen = json?["seen"]?.string
        else { throw .damaged("what it says of its restore cannot be read") }
        self.init(since: Timestamp(milliseconds: since), at: Timestamp(milliseconds: at), reason: reason, seen: seen)
    }
}

/// The names of facts in `meta`.
package enum MetaName: String, Sendable {
    /// The epoch that the witness must have.
    case epoch
    /// The ``RestoredMode`` that the database is in.
    case restored
    /// There is no witness of the epoch yet.
    case unwitnessed
    /// When the file was made as a backup.
    case backup
    /// The time since which what was queued at a start may have been sent, until a start has checked that.
    case uncheckedSince = "unchecked_since"
    /// When the last lease of each account ended, by name, in milliseconds.
    case leaseEnds = "lease_ends"
    /// The place of the last line of the log that was removed.
    case lastRemovedLine = "last_removed_line"
    /// The ``LogEpoch``.
    case logEpoch = "log_epoch"
}
