/// Puts replies that come in any order back into that of their turns, 0, 1, 2 and so on.
struct OrderedReplies<Reply> {
    private var early: [Int: Reply] = [:]
    private var turn = 0

    /// Takes a reply and gives back those whose turn it is now.
    mutating func take(_ reply: Reply, turn: Int) -> [Reply] {
        early[turn] = reply
        var ready: [Reply] = []
        while let next = early.removeValue(forKey: self.turn) {
            ready.append(next)
            self.turn += 1
        }
        return ready
    }
}
