cpdef long long now_ns() noexcept
cpdef long long wall_ns() noexcept
cpdef exact_timers()
