import FoundationEssentials
import LocalAPIContract

/// Renders the state of the daemon for reading.
struct StatusCard {
    let status: StatusDocument

    func lines(on terminal: Terminal) -> [String] {
        var list = KeyValueList()
        list.add("results", status.artefacts?.problem, .yellow)
        list.add("results", resultsWithoutRoom, .yellow)
        list.add("restored", status.restored.map { "\($0) Nothing paid is sent: see `pollux restore`." }, .yellow)
        list.add("held", status.held.map { "\($0) `pollux resume --all` resumes everything." }, .yellow)
        list.add("uptime", "\(DurationText.span(status.uptimeSeconds)), since \(status.startedAt)")
        list.add("settings", status.settings.map { "\($0.digest), loaded \($0.loadedAt)" })
        list.add("socket", status.socket)
        list.add("database", "\(status.database.path) (\(ByteText.size(status.database.sizeBytes)))")
        list.add("files", files)
        list.add("open tasks", counts(of: TaskDocument.openStates))
        list.add("ended tasks", counts(of: TaskDocument.endedStates))
        for provider in status.providers {
            let isWell = provider.token == "present" && provider.state == "open"
            list.add("provider", describe(provider), isWell ? nil : .yellow)
            guard provider.hasNamedAccounts else { continue }
            for account in provider.accounts {
                list.add("account", describe(account), account.state == "open" ? nil : .yellow)
            }
        }
        if let callbacks = status.callbacks {
            list.add(
                "callbacks",
                "\(callbacks.publicURL), received at \(callbacks.listen): \(callbacks.deliveries) deliveries, "
                    + "\(callbacks.unknownTokens) requests with unknown tokens")
            list.add("problem", callbacks.problem, .yellow)
        }
        for destination in status.destinations {
            let isWell = destination.state == "open" && destination.dead == 0
            list.add("notifications", describe(destination), isWell ? nil : .yellow)
        }
        let title = "pollux \(status.version)".printable
        return [terminal.paint(title, .bold) + "  process \(status.pid)"] + list.lines(on: terminal)
    }

    /// What expires goes first: paid results that are not on disk.
    private var resultsWithoutRoom: String? {
        guard let files = status.artefacts, files.withoutRoom > 0 else { return nil }
        return "\(files.withoutRoom) wait for room on disk, and their URLs expire. Raise artefacts.quota, set "
            + "retention.artefacts or free space, and run `pollux reload`."
    }

    private var files: String? {
        status.artefacts.map { files in
            let used = files.usedBytes.map(ByteText.size) ?? "an unknown size"
            return "\(files.directory) (\(used)" + (files.quotaBytes.map { " of \(ByteText.size($0))" } ?? "") + ")"
                + (files.waiting > 0 ? ", \(files.waiting) to be fetched" : "")
        }
    }

    private func counts(of states: [String]) -> String {
        let counted = states.compactMap { state in
            status.tasks[state].flatMap { $0 > 0 ? "\($0) \(state)" : nil }
        }
        return counted.isEmpty ? "none" : counted.joined(separator: ", ")
    }

    private func describe(_ provider: StatusDocument.Provider) -> String {
        "\(provider.name) at \(provider.baseURL), token \(provider.token), \(provider.state)"
            + (provider.reason.map { ": \($0)" } ?? "")
    }

    private func describe(_ account: StatusDocument.Account) -> String {
        "\(account.name), token \(account.token), \(account.inFlight) in flight"
            + (account.maxInFlight.map { " of \($0)" } ?? "") + ", \(account.state)"
            + (account.reason.map { ": \($0)" } ?? "")
    }

    private func describe(_ destination: StatusDocument.Destination) -> String {
        var words = "\(destination.name), \(destination.state)"
        if destination.state != "open", let reason = destination.reason { words += ": \(reason)" }
        if destination.waiting > 0 { words += "; \(destination.waiting) wait after a failure" }
        if destination.dead > 0 { words += "; \(destination.dead) dead, see `pollux notifications list --dead`" }
        return words
    }
}
