import ServiceLifecycle
import ServiceManager
import TaskEngine

/// Signals the engine when shutdown begins. Nothing paid is sent after that, and long waits and streams of clients end,
/// so that the socket can close. It is the last service, because a group shuts services down in reverse order.
struct ShutdownNotifier: Service {
    let service: TaskService
    let streams: EventStreams
    let manager: ServiceManager

    func run() async throws {
        try await gracefulShutdown()
        manager.send(.stopping, .status("Finishes the requests in flight"))
        service.beginShutdown()
        streams.close()
    }
}

/// Breaks connections of streams whose clients take nothing, and keeps silent streams alive.
struct StreamWatch: Service {
    let streams: EventStreams
    let time: any TimeSource

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await time.repeatEachCheck {
                streams.check()
                return true
            }
        }
    }
}
