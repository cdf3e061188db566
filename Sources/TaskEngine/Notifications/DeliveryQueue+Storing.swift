package import TaskModel
package import TaskStore

/// What is stored, and what waits for that.
extension DeliveryQueue {
    /// Takes what is to be stored; nil if there is nothing, or if something is being stored. To be followed by ``saved()`` or
    /// ``notSaved()``.
    package mutating func takeChanges(at now: Timestamp) -> DeliveryChanges? {
        guard saving == nil else { return nil }
        let lag = cursor - row.cursor
        let isLate = lag >= Self.longestLag.events || laggingSince.map { now - $0 >= Self.longestLag.time } ?? false
        guard unsaved.isChanged || !unsaved.puts.isEmpty || !unsaved.drops.isEmpty || isLate && lag > 0 else {
            if lag == 0 { laggingSince = nil }
            return nil
        }
        row.cursor = max(row.cursor, cursor)
        laggingSince = nil
        let changes = DeliveryChanges(
            destination: row, puts: unsaved.puts.values.sorted { $0.sequence < $1.sequence },
            drops: unsaved.drops.sorted(), skipped: unsaved.skipped)
        saving = unsaved
        unsaved = Unsaved()
        return changes
    }

    /// The changes that were taken are on disk.
    package mutating func saved() { saving = nil }

    /// The changes that were taken are not known to be on disk. They are stored with the next ones.
    package mutating func notSaved() {
        guard let saving else { return }
        unsaved.puts.merge(saving.puts.filter { !unsaved.drops.contains($0.key) }) { later, _ in later }
        unsaved.drops.formUnion(saving.drops.filter { unsaved.puts[$0] == nil })
        unsaved.skipped = unsaved.skipped ?? saving.skipped
        unsaved.isChanged = true
        self.saving = nil
    }

    // MARK: Entries

    func index(of delivery: DeliveryRow) -> Int? {
        entries[delivery.task]?.firstIndex { $0.row.sequence == delivery.sequence }
    }

    mutating func change(_ job: Job, _ body: (inout DeliveryRow) -> Void) {
        guard let index = index(of: job.row), var entry = entries[job.row.task]?[index]
        else { return }
        body(&entry.row)
        entries[job.row.task]?[index] = entry
        if entry.isStored { put(entry.row) }
    }

    /// Gives a row to every event of a task: one failed, and the others wait behind it.
    mutating func store(_ task: TaskID?) {
        guard var list = entries[task] else { return }
        for index in list.indices where !list[index].isStored {
            list[index].isStored = true
            fresh.remove(list[index].row.sequence)
            storedCount += 1
            put(list[index].row)
        }
        entries[task] = list
    }

    mutating func remove(_ sequence: Int64, of task: TaskID?) {
        guard var list = entries[task], let index = list.firstIndex(where: { $0.row.sequence == sequence }) else {
            return
        }
        if list.remove(at: index).isStored {
            storedCount -= 1
            unsaved.puts[sequence] = nil
            unsaved.drops.insert(sequence)
        }
        fresh.remove(sequence)
        entries[task] = list.isEmpty ? nil : list
        unsaved.isChanged = true
    }

    mutating func put(_ delivery: DeliveryRow) {
        unsaved.puts[delivery.sequence] = delivery
        unsaved.drops.remove(delivery.sequence)
    }
}
