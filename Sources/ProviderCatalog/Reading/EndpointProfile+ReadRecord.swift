package import TaskModel
package import VerbatimJSON

extension EndpointProfile {
    /// Reads what a task's record says; nil where it says that there is no such task.
    ///
    /// `httpStatus` only ends up in the failure, if there is one: the record decides, whatever carried it.
    package func readRecord(_ record: JSONValue, httpStatus: Int = 200) -> Observation? {
        if let wire {
            guard case .object(let object) = record, !object.isEmpty else { return nil }
            return observe(record, by: wire, httpStatus: httpStatus).observation
        }
        return TaskRecord(record).map { observe($0, as: .record, httpStatus: httpStatus) }
    }

    /// Reads what the provider sent to our callback URL, with the id it names; nil where it speaks of no task.
    ///
    /// The body is unsigned and may be repeated, early or forged: it is a hint, and one look-up then decides.
    package func readCallback(_ body: JSONValue) -> (RemoteTaskID?, Observation)? {
        if let wire {
            guard case .object(let object) = body, !object.isEmpty else { return nil }
            var spoken = wire
            if let callback = wire.callback, !callback.states.isEmpty { spoken.states = callback.states }
            let places = wire.callback.map(\.id) ?? []
            let id = wire.id(in: body, at: places.isEmpty ? wire.recordID : places)
            return (id, observe(body, by: spoken, httpStatus: 200).observation)
        }
        return TaskRecord(body).map { record in
            (record.ownID, observe(record, as: record.isWrapped ? .record : .reply, httpStatus: 200))
        }
    }

    func observe(_ record: TaskRecord, as message: Message, httpStatus: Int) -> Observation {
        let verdict = judge(record, as: message, httpStatus: httpStatus)
        return Observation(
            verdict, record: record.whole,
            progress: record.progress(scale: reading.progressScale)?.percent?.clamped(to: 0...100),
            traceID: record.traceID, createdAt: record.time("created_at"), startedAt: record.time("started_at"),
            finishedAt: record.time("finished_at") ?? endTime(of: record, verdict),
            unrecognisedShape: verdict == .pending ? unrecognisedShape(of: record) : nil)
    }

    /// The end of a task whose record has no `finished_at` but keeps its last change.
    private func endTime(of record: TaskRecord, _ verdict: Observation.Verdict) -> Timestamp? {
        switch verdict {
        case .pending: nil
        case .succeeded, .failed: reading.endTimeMember.flatMap { record.time($0) }
        }
    }
}
