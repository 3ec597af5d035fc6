import cython


cdef class Request:
    cdef readonly str method
    cdef readonly dict fields
    cdef readonly bytes path
    cdef readonly long long minor, persistence, body_octets


cdef class _Fields:
    cdef readonly dict values
    cdef readonly long long lines, hosts, status
    cdef readonly bint complete


@cython.locals(end=cython.Py_ssize_t)
cpdef check_prefix(bytes head, Py_ssize_t begin)
@cython.locals(fields=_Fields, request=Request)
cpdef Request parse(bytes head)
cdef _check_host(_Fields fields, long long minor)
cdef _frame(Request request)
cdef long long _persistence(Request request) except? -1
cdef bytes _path(str method, bytes target)
cdef bytes _decoded(bytes path)
