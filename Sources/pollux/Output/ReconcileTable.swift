import LocalAPIContract

/// The lines that show the difference between the providers' lists and the tasks.
struct ReconcileTable {
    private let document: ReconcileDocument

    init(_ document: ReconcileDocument) {
        self.document = document
    }

    func lines(on terminal: Terminal) -> [String] {
        var list = KeyValueList()
        list.add("since", document.since)
        list.add("known", "\(document.known) record(s)")
        if document.inFlight > 0 { list.add("in flight", "\(document.inFlight) record(s) may be of tasks being sent") }
        list.add("orphans", "\(document.orphanCount), there and not here", document.orphanCount > 0 ? .yellow : nil)
        list.add("ghosts", "\(document.ghostCount), here and not there", document.ghostCount > 0 ? .yellow : nil)
        let differences = document.priceDifferenceCount
        if differences > 0 { list.add("prices", "\(differences) cost(s) differ from the ledger", .yellow) }
        if document.unjudged > 0 {
            list.add("not judged", "\(document.unjudged) task(s) about which the lists say nothing")
        }
        return list.lines(on: terminal) + orphans + ghosts + priceDifferences + unread
    }

    private var orphans: [String] {
        guard !document.orphans.isEmpty else { return [] }
        let lines = document.orphans.flatMap { [Self.line($0)] + Self.settling($0) }
        let isAdopted = document.orphans.contains { $0.task != nil || $0.problem != nil }
        return ["Orphans:" + (isAdopted ? "" : " `pollux reconcile --adopt` or `pollux track ENDPOINT ID` tracks them")]
            + lines + more(document.orphanCount - document.orphans.count)
    }

    private static func line(_ orphan: ReconcileDocument.Orphan) -> String {
        var line = "  \(orphan.provider.printable)  \(orphan.remoteID.printable)  \((orphan.createdAt ?? "").printable)"
        line += account(orphan.account)
        if let prompt = orphan.prompt { line += "  \(prompt.printable)" }
        if let task = orphan.task { line += "  tracked as \(task.printable)" }
        if let problem = orphan.problem { line += "  not adopted: \(problem.printable)" }
        return line
    }

    /// How to settle uncertain tasks whose request an orphan may be.
    private static func settling(_ orphan: ReconcileDocument.Orphan) -> [String] {
        let tasks = orphan.uncertain.map(\.printable)
        guard let first = tasks.first else { return [] }
        let id = orphan.remoteID.printable
        let adopting = orphan.task.map { "pollux cancel \($0.printable); " } ?? ""
        return [
            "    perhaps the request of the uncertain \(tasks.joined(separator: ", ")): \(adopting)pollux resolve \(first) --adopt \(id)"
        ]
    }

    private var ghosts: [String] {
        guard !document.ghosts.isEmpty else { return [] }
        let lines = document.ghosts.map { ghost in
            let names = [ghost.task, ghost.endpoint, ghost.state, ghost.remoteID, ghost.submittedAt].map(\.printable)
            return "  " + names.joined(separator: "  ") + Self.account(ghost.account)
        }
        return ["Ghosts:"] + lines + more(document.ghostCount - document.ghosts.count)
    }

    private var priceDifferences: [String] {
        guard !document.priceDifferences.isEmpty else { return [] }
        let lines = document.priceDifferences.map { difference in
            let counted = difference.counted.map {
                "\($0.amount) \($0.unit) \(difference.settled ? "spent" : "reserved")".printable
            }
            let recorded = "\(difference.recorded.amount) \(difference.recorded.unit)".printable
            return "  \(difference.task.printable)  \(difference.remoteID.printable)  its record says \(recorded), "
                + "the ledger \(counted ?? "no cost")" + Self.account(difference.account)
        }
        return ["Price differences:"] + lines
            + more(document.priceDifferenceCount - document.priceDifferences.count)
    }

    /// The lists that were not read to their end, and the services without one.
    private var unread: [String] {
        document.lists.compactMap { list in
            let name =
                "\(list.services.joined(separator: ", ").printable) of \(list.provider.printable)"
                + (list.account.map(Self.account) ?? "")
            switch list.condition {
            case "incomplete": return "Not read to its end, so it shows no ghosts: \(name)"
            case "unread": return "Not read: \(name)"
            case "none": return "Not checked, because the provider has no list: \(name)"
            default: return nil
            }
        }
    }

    private func more(_ count: Int) -> [String] { count > 0 ? ["  and \(count) more"] : [] }

    private static func account(_ name: String) -> String {
        name == "default" ? "" : "  account \(name.printable)"
    }
}
