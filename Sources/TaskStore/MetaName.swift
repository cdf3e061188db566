package import TaskModel
import VerbatimJSON

/// The stored form of the mode in `meta`.
extension RestoredMode {
    package var text: String {
        var members = JSONObject([
            ("since_ms", .number(JSONNumber(Int(since.milliseconds)))),
            ("at_ms", .number(JSONNumber(Int(at.milliseconds)))), ("reason", .string(reason)),
            ("seen", .string(seen)),
        ])
        if let journals {
            members["journals_until_ms"] = .number(JSONNumber(Int(journals.until.milliseconds)))
            members["awaited"] = .object(JSONObject(journals.awaited.map { ($0.token.text, .string($0.name)) }))
        }
        return JSONValue.object(members).text
    }

    package init(text: String) throws(TaskStoreError) {
        let json = try StoredDocument.read(text).object
        guard let since = json?["since_ms"]?.number.flatMap({ Int64($0.digits) }),
            let at = json?["at_ms"]?.number.flatMap({ Int64($0.digits) }), let reason = json?["reason"]?.string,
            let seen = json?["seen"]?.string
        else { throw .damaged("its restore mode cannot be read") }
        let until = json?["journals_until_ms"]?.number.flatMap { Int64($0.digits) }
        let awaited = json?["awaited"]?.object?.members.compactMap { member in
            LeaseToken(text: member.name).map { AwaitedProcess(token: $0, name: member.value.string ?? "") }
        }
        self.init(
            since: Timestamp(milliseconds: since), at: Timestamp(milliseconds: at), reason: reason, seen: seen,
            journals: until.map { JournalWait(awaited: awaited ?? [], until: Timestamp(milliseconds: $0)) })
    }
}

/// The names of stored facts about the database.
package enum MetaName: String, Sendable {
    /// The epoch that the witness must show.
    case epoch
    /// The current ``RestoredMode``, if any.
    case restored
    /// The server that the database was on, and its timeline, when the mode was last decided.
    case server
    /// The database to which all tasks were moved. They go on there, so nothing paid is sent from here.
    case movedTo = "moved_to"
    /// Set while the epoch has no witness yet.
    case unwitnessed
    /// When the file was created as a backup.
    case backup
    /// The time since which tasks in the queue at a start may have been sent. It is removed when a start has checked
    /// them.
    case uncheckedSince = "unchecked_since"
    /// When the last lease of each account ended, by lease name, in milliseconds.
    case leaseEnds = "lease_ends"
    /// The place of the last line of the log that was removed.
    case lastRemovedLine = "last_removed_line"
    /// The ``SettingsHistory``.
    case settingsHistory = "settings_history"
    /// The place of the last line of the log that was read for results to fetch.
    case artefactPlace = "artefact_place"
    /// The id of the directory of the artefacts, which stands in it too.
    case artefactDirectory = "artefact_directory"
    /// The ``LogEpoch``.
    case logEpoch = "log_epoch"
    /// When the providers' lists were last compared with the tasks as the settings say, in milliseconds.
    case reconciledAt = "reconciled_at"
}
