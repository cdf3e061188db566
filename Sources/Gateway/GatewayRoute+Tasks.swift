import HTTPServing
import HTTPTypes
import Hummingbird
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Polls, cancellations and results of tasks that are known.
extension GatewayRoute {
    func poll(
        _ id: RemoteTaskID, of endpoints: [EndpointProfile], _ call: GatewayCall
    ) async throws(GatewayFailure) -> Response {
        if let stored = try await known([id], of: endpoints, call)[id] {
            if let renewed = await service.renewed(stored, of: profile(of: stored.task)) {
                return response(GatewayReply(renewed), of: call.target, task: stored.task.id)
            }
            return try await show(stored, call)
        }
        switch try await ask(about: id, of: endpoints, call) {
        case .found(let stored): return try await show(stored, call)
        case .reply(let reply): return response(GatewayReply(reply), of: call.target)
        case .notAskable: return try await pass(call)
        }
    }

    /// Shows the last record. The provider is not asked.
    private func show(_ stored: TaskWithPayload, _ call: GatewayCall) async throws(GatewayFailure) -> Response {
        do throws(TaskServiceError) {
            var stored = stored
            if let patience = call.preferredWait, !stored.task.state.hasEnded {
                stored = try await service.change(of: stored, within: patience)
            }
            let gateway = profile(of: stored.task).dialect.gateway
            let view = try await service.view(of: stored, at: call.target.address)
            return response(
                GatewayReply(gateway.record(view)), of: call.target, task: stored.task.id,
                headers: headers(of: stored.task, by: gateway))
        } catch {
            throw .service(error)
        }
    }

    private func headers(of task: TrackedTask, by gateway: any GatewayDialect) -> HTTPFields {
        var headers: HTTPFields = [.age: "\(Int(service.age(of: task).inSeconds))"]
        if let wait = service.nextLook(at: task), let (name, value) = gateway.pollDelay(wait),
            let name = HTTPField.Name(name)
        {
            headers[name] = value
        }
        return headers
    }

    /// Known tasks from their records, the others by one query to the provider.
    func poll(
        _ ids: [RemoteTaskID], of endpoints: [EndpointProfile], _ call: GatewayCall
    ) async throws(GatewayFailure) -> Response {
        guard let gateway = endpoints.first?.dialect.gateway else { return try await pass(call) }
        let known = try await known(ids, of: endpoints, call)
        let unknown = ids.filter { known[$0] == nil }
        var records: [RemoteTaskID: JSONValue] = [:]
        if !unknown.isEmpty {
            do throws(UpstreamTransportError) {
                records = try await service.ask(about: unknown, of: endpoints, adopting: call.settings.adopts)
            } catch {
                throw .upstream(error)
            }
        }
        var age = Duration.zero
        do throws(TaskServiceError) {
            for (id, stored) in known {
                let view = try await service.view(of: stored, at: call.target.address)
                records[id] = profile(of: stored.task).dialect.gateway.record(view)
                age = max(age, service.age(of: stored.task))
            }
        } catch {
            throw .service(error)
        }
        return response(
            GatewayReply(gateway.batch(ids.compactMap { records[$0] })), of: call.target,
            headers: [.age: "\(Int(age.inSeconds))", .durable: "true"])
    }

    func cancel(
        _ id: RemoteTaskID, of endpoints: [EndpointProfile], _ call: GatewayCall
    ) async throws(GatewayFailure) -> Response {
        guard let stored = try await known([id], of: endpoints, call)[id] else { return try await pass(call) }
        let reply: Result<UpstreamReply, UpstreamTransportError>?
        do throws(TaskServiceError) {
            reply = try await service.cancel(stored, of: profile(of: stored.task))
        } catch {
            throw .service(error)
        }
        switch reply {
        case .success(let reply): return response(GatewayReply(reply), of: call.target, task: stored.task.id)
        case .failure(let error): throw .upstream(error)
        case nil:
            guard let now = try await known([id], of: endpoints, call)[id] else { return try await pass(call) }
            return try await show(now, call)
        }
    }

    func result(
        of id: RemoteTaskID, of endpoints: [EndpointProfile], _ call: GatewayCall
    ) async throws(GatewayFailure) -> Response {
        guard let stored = try await known([id], of: endpoints, call)[id] else { return try await pass(call) }
        let task = stored.task
        let profile = profile(of: task)
        if profile.dialect.gateway.resultIsFile {
            guard let remote = task.remoteID else {
                throw .refused(code: "not_ready", "Task \(task.id) has no result yet.")
            }
            if let saved = try await savedFile(of: task, call) { return saved }
            // The id may be ours.
            let path = call.target.path.replacing(id.text, with: remote.text)
            return try await pass(call, path: path, by: service.account(of: task, provider: profile.provider))
        }
        guard task.state.hasEnded, let record = stored.payload.response else {
            throw .refused(
                code: "not_ready",
                task.state.hasEnded
                    ? "\(task.failure?.code ?? "no_result"): \(task.failure?.message ?? "The task brought no result.")"
                    : "Task \(task.id) is still in progress.")
        }
        let status = task.state == .succeeded ? 200 : task.failure?.httpStatus ?? 422
        var headers: HTTPFields = [.age: "\(Int(service.age(of: task).inSeconds))"]
        if let name = call.target.provider.gateway.idHeader.flatMap({ HTTPField.Name($0) }) { headers[name] = id.text }
        return response(GatewayReply(status: status, record), of: call.target, task: task.id, headers: headers)
    }

    /// The saved file of a task, or the part of it that the request asks for. With a query, another form of it may be meant.
    private func savedFile(of task: TrackedTask, _ call: GatewayCall) async throws(GatewayFailure) -> Response? {
        guard let artefacts, call.query.isEmpty else { return nil }
        let found: (object: Artefact.Object, path: String)?
        do throws(TaskServiceError) { found = try await artefacts.onlyFile(of: task.id) } catch {
            throw .service(error)
        }
        guard let (object, path) = found else { return nil }
        let (size, tag) = (Int(object.size), "\"\(object.sha256)\"")
        var headers: HTTPFields = [.contentType: object.mediaType, .eTag: tag, .acceptRanges: "bytes"]
        headers[.task] = task.id.text
        headers[.durable] = "true"
        let (isRead, channel) = (call.request.method == .get, call.context.channel)
        let wasDelivered: @Sendable () async -> Void = { await artefacts.noteDelivery(of: object.sha256) }
        do {
            switch ByteRange(call.request.headers, tag: tag, size: size) {
            case .whole:
                let body = try await files.loadFile(path: path, context: call.context)
                if isRead { DeliveryHandler.afterFile(over: channel, wasDelivered) }
                return Response(status: .ok, headers: headers, body: body)
            case .part(let range, let isRest):
                headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound)/\(size)"
                let body = try await files.loadFile(path: path, range: range, context: call.context)
                if isRead, isRest { DeliveryHandler.afterFile(over: channel, wasDelivered) }
                return Response(status: .partialContent, headers: headers, body: body)
            case .unsatisfiable:
                return Response(status: .rangeNotSatisfiable, headers: [.contentRange: "bytes */\(size)"])
            }
        } catch {
            // It was removed just now. The provider may still have it.
            return nil
        }
    }

    // MARK: Parts

    private func known(
        _ ids: [RemoteTaskID], of endpoints: [EndpointProfile], _ call: GatewayCall
    ) async throws(GatewayFailure) -> [RemoteTaskID: TaskWithPayload] {
        do throws(TaskServiceError) {
            let known = try await service.tasks(ids, of: endpoints)
            for stored in known.values { service.noteAsked(about: stored.task, by: call.program) }
            return known
        } catch {
            throw .service(error)
        }
    }

    private func ask(
        about id: RemoteTaskID, of endpoints: [EndpointProfile], _ call: GatewayCall
    ) async throws(GatewayFailure) -> AskedProvider {
        do throws(UpstreamTransportError) {
            return try await service.ask(about: id, of: endpoints, adopting: call.settings.adopts)
        } catch {
            throw .upstream(error)
        }
    }

    /// The endpoint of a task. If it is no longer defined, the general rules apply.
    private func profile(of task: TrackedTask) -> EndpointProfile {
        service.catalog.endpoint(task.endpoint) ?? EndpointProfile(undefined: task.endpoint)
    }
}

extension GatewayReply {
    /// A reply of the provider, as it came.
    fileprivate init(_ reply: UpstreamReply) {
        self.init(
            status: reply.status, contentType: reply.headers["content-type"] ?? "application/json", body: reply.body)
    }
}
