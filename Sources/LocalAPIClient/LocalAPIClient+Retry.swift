package import LocalAPIContract
package import VerbatimJSON

extension LocalAPIClient {
    /// Polls the daemon until the task has ended or the deadline has passed, and passes on every reply.
    ///
    /// Each request waits at most `step` and at most 60 s. If the daemon goes away, it waits up to ``patience``.
    /// Returns the last reply, whose task may not have ended.
    package func waitForEnd(
        of id: String, until deadline: ContinuousClock.Instant? = nil, step: Duration = .seconds(60),
        onAnswer: (Answer<TaskDocument>) -> Void = { _ in }
    ) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        while true {
            let asked = ContinuousClock.now
            let left = deadline.map { max(.zero, ContinuousClock.now.duration(to: $0)) } ?? step
            // Rounded up, so that the last second is not spent in requests that do not wait.
            let wait = min(step, .seconds(60), .seconds(left.components.seconds + (left > .zero ? 1 : 0)))
            let answer = try await retryingWhileAway(until: deadline) { () async throws(LocalAPIClientError) in
                try await task(id, wait: wait)
            }
            onAnswer(answer)
            if answer.document.hasEnded { return answer }
            if let deadline, ContinuousClock.now >= deadline { return answer }
            // The daemon may reply at once, as when it stops.
            if let pause = Self.pause(since: asked, until: deadline, now: .now) {
                do { try await Task.sleep(for: pause) } catch { throw .cancelled }
            }
        }
    }

    /// The minimum time between two requests about one task.
    static let leastGap = Duration.seconds(1)

    /// The pause before the next request, if the last one was sent at `asked`; nil for none.
    static func pause(
        since asked: ContinuousClock.Instant, until deadline: ContinuousClock.Instant?, now: ContinuousClock.Instant
    ) -> Duration? {
        let next = min(asked + leastGap, deadline ?? asked + leastGap)
        return next > now ? now.duration(to: next) : nil
    }

    /// Submits a task with an idempotency key, and repeats that if the daemon goes away before it replies.
    ///
    /// The key makes this safe: the daemon replies with the task of the first request.
    package func submitOnce(_ document: SubmitDocument) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        precondition(document.idempotencyKey != nil, "Only a keyed submission may be repeated.")
        do {
            return try await submit(document)
        } catch .interrupted {
            return try await retryingWhileAway { () async throws(LocalAPIClientError) in try await submit(document) }
        } catch {
            throw error
        }
    }

    /// Retries an ended task, and repeats that if the daemon goes away before it replies.
    ///
    /// The number makes this safe: it identifies one retry of the task.
    package func retryOnce(_ id: String, number: Int = 1) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        do {
            return try await retry(id, number: number)
        } catch .interrupted {
            return try await retryingWhileAway { () async throws(LocalAPIClientError) in
                try await retry(id, number: number)
            }
        } catch {
            throw error
        }
    }

    /// Submits tasks with idempotency keys in one request. If the daemon goes away, those without a reply are sent
    /// again.
    ///
    /// A daemon that was never there is an error at once, unless `wasThere`.
    package func submitAll(
        _ documents: [SubmitDocument], wasThere: Bool = false, onAnswer: (BatchLine, JSONValue) throws -> Void
    ) async throws {
        precondition(documents.allSatisfy { $0.idempotencyKey != nil }, "Only keyed submissions may be repeated.")
        var rest = documents[...]
        var mayBeAway = wasThere
        var end = ContinuousClock.now + patience
        while !rest.isEmpty {
            do {
                try await submit(rest) { answer, json in
                    if case .problem(let problem) = answer, problem.code == ProblemCode.notReady {
                        throw LocalAPIClientError.problem(problem)
                    }
                    rest.removeFirst()
                    end = ContinuousClock.now + patience
                    try onAnswer(answer, json)
                }
            } catch let error as LocalAPIClientError {
                if case .interrupted = error { mayBeAway = true }
                guard mayBeAway, error.isDaemonAway, ContinuousClock.now < end else { throw error }
                do { try await Task.sleep(for: .milliseconds(200)) } catch { throw LocalAPIClientError.cancelled }
            }
        }
    }

    /// Repeats a request while the daemon is away or busy, for up to ``patience`` since it was last there. The request must be
    /// safe to repeat. Pauses grow, and are at least a second if the daemon has replied.
    package func retryingWhileAway<Value: Sendable>(
        until deadline: ContinuousClock.Instant? = nil, _ ask: () async throws(LocalAPIClientError) -> Value
    ) async throws(LocalAPIClientError) -> Value {
        var end = ContinuousClock.now + patience
        var pause = Duration.milliseconds(50)
        while true {
            let began = ContinuousClock.now
            do throws(LocalAPIClientError) {
                return try await ask()
            } catch {
                let now = ContinuousClock.now
                // It was there until now: a wait or a file takes long.
                if case .interrupted = error, began.duration(to: now) > .seconds(1) { end = now + patience }
                guard error.isDaemonAway, now < min(deadline ?? end, end) else { throw error }
                if case .problem = error { pause = Self.leastGap }
            }
            do { try await Task.sleep(for: pause) } catch { throw .cancelled }
            pause = min(pause * 2, .seconds(1))
        }
    }
}
