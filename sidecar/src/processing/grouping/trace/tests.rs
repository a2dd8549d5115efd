//! Traces as the runtimes print them: OpenJDK 21, CPython 3.12, Go 1.22, Node 20, Ruby 2.7 and 3.4, .NET 8. In these
//! `¦` stands where a record begins.

use serde_json::json;

use crate::processing::grouping::tests::check_records;

fn records(preset: &str, marked: &str) {
    check_records(&json!({"preset": preset}), &marked.split('¦').collect::<Vec<_>>());
}

#[test]
fn java_traces_with_causes_suppressed_and_circular_exceptions_are_one_record() {
    records(
        "Java",
        "2026-11-01 12:00:00 ERROR [main] c.e.Cart - failed
¦java.lang.IllegalStateException: no cart
\tat com.example.Cart.load(Cart.java:12) ~[app.jar:1.0]
\tat java.base/java.lang.Thread.run(Thread.java:1583)
\tSuppressed: java.io.IOException: close
\t\tat com.example.Res.close(Res.java:4)
\t\tCaused by: java.net.SocketException: reset
\t\t\tat com.example.Net.read(Net.java:5)
\t\t\t... 1 more
\t[CIRCULAR REFERENCE: java.lang.IllegalStateException: no cart]
Caused by: java.sql.SQLException: gone
\tat com.example.Db.query(Db.java:99)
\t... 23 common frames omitted
Caused by: java.io.EOFException
\tat com.example.Net.fill(Net.java:7)
\t... 25 more
¦2026-11-01 12:00:01 INFO [main] c.e.Cart - next
¦Exception in thread \"main\" java.lang.Error
\tat com.example.Main.main(Main.java:3)
¦Caused a lot of trouble
",
    );
    records(
        "Java",
        "reactor.core.Exceptions$ErrorCallbackNotImplemented: java.lang.RuntimeException: no
Caused by: java.lang.RuntimeException: no
\tat com.example.A.b(A.java:1)
\tSuppressed: reactor.core.publisher.FluxOnAssembly$OnAssemblyException: 
Error has been observed at the following site(s):
\t*__checkpoint ⇢ Handler com.example.A#b [DispatcherHandler]
\t|_ checkpoint ⇢ HTTP GET \"/\"
Original Stack Trace:
\t\tat com.example.A.b(A.java:1)
¦\"worker-1\" #12 prio=5 os_prio=0 tid=0x1 nid=0x2 waiting on condition [0x3]
   java.lang.Thread.State: WAITING (parking)
\tat jdk.internal.misc.Unsafe.park(java.base@21/Native Method)
\t- parking to wait for  <0x4> (a java.util.concurrent.locks.AbstractQueuedSynchronizer)
\t- locked <0x5> (a java.lang.Object)
¦
",
    );
}

#[test]
fn python_traces_with_chains_notes_and_groups_are_one_record() {
    records(
        "Python",
        "ERROR:root:failed
¦Traceback (most recent call last):
  File \"a.py\", line 1, in f
    g()
    ~^^
  [Previous line repeated 996 more times]
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"a.py\", line 3, in f
    h()
app.f.<locals>.Bad: y

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"a.py\", line 9, in <module>
RuntimeError
¦INFO:root:after
¦KeyError: alone
¦  indented alone
",
    );
    records(
        "Python",
        "x
¦  + Exception Group Traceback (most recent call last):
  |   File \"g.py\", line 2, in <module>
  |     raise ExceptionGroup(\"two\", errors)
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File \"g.py\", line 1, in <module>
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------
¦INFO: after
",
    );
}

#[test]
fn go_panics_faults_and_dumps_are_one_record() {
    records(
        "Go",
        "INFO before
¦panic: runtime error: invalid memory address or nil pointer dereference [recovered]
\tpanic: again
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f5c2]

goroutine 1 [running]:
panic({0x4a0e40?, 0x4d6f20?})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*T).f(0x1, {0xc000012345, 0x2}, ...)
\t/app/main.go:5 +0x1d
created by net/http.(*Server).Serve in goroutine 7
\t/app/main.go:3
...additional frames elided...

goroutine 2 [select, 5 minutes]:
net/http.(*S).Serve(...)
\t/x.go:1
exit status 2
¦{\"level\":\"info\"}
¦2026/11/01 12:00:00 http: panic serving 10.0.0.1:5000: boom
goroutine 34 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1947 +0xbe
¦2026/11/01 12:00:01 next
¦unexpected fault address 0x1
fatal error: fault
[signal SIGSEGV: segmentation violation]

goroutine 1 gp=0x1 m=0 [running]:
runtime.throw({0x1?, 0x2?})
\t/x.go:1
¦SIGQUIT: quit
PC=0x46d6a1 m=0 sigcode=0

goroutine 0 gp=0x5c m=0 mp=0x5d [idle]:
runtime.futex()
\t/x.s:558

rax    0xca
rip    0x46d6a1
¦done
",
    );
}

#[test]
fn node_errors_with_causes_and_those_that_nobody_caught_are_one_record() {
    records(
        "Node",
        "before
¦Error: no
    at f (/app/a.js:1:2)
    ... 4 lines matching cause stack trace ...
    at async g (file:///app/b.mjs:3:4) {
  code: 'E',
  [cause]: TypeError: inner
      at h (node:internal/x:5:6) {
    errno: -2
  }
}
¦after
¦/app/a.js:3
    throw new TypeError('x');
    ^

TypeError: x
    at Object.<anonymous> (/app/a.js:3:11)
    at node:internal/main/run_main_module:28:49

Node.js v20.11.1
¦{ a: 1 }
¦
¦Error: after a blank line
",
    );
}

#[test]
fn ruby_errors_with_causes_and_sources_are_one_record() {
    records(
        "Ruby",
        "before
¦a.rb:1:in 'Foo#f': undefined method 'x' for nil (NoMethodError)

    nil.x
       ^^
\tfrom a.rb:2:in 'block in <main>'
\tfrom a.rb:3:in 'Integer#times'
a.rb:7:in 'g': the cause (RuntimeError)
\tfrom a.rb:8:in '<main>'
¦after
¦Traceback (most recent call last):
\t 2: from a.rb:3:in `h'
\t1: from a.rb:2:in `g'
a.rb:1:in `f': no (RuntimeError)
¦NoMethodError (undefined method `x'):
app/controllers/a.rb:5:in `index'
lib/b.rb:7:in `block in call'
¦I, [2026-11-01T12:00:00 #1]  INFO -- : 10:11:in time
",
    );
}

#[test]
fn dot_net_exceptions_with_inner_ones_and_entries_of_the_console_are_one_record() {
    records(
        "DotNet",
        "before
¦System.AggregateException: One or more errors occurred. (a) (b)
 ---> System.Exception: a
   at A.B.C() in /a.cs:line 1
--- End of stack trace from previous location ---
   at A.B.D()
   --- End of inner exception stack trace ---
   at A.Program.Main()
 ---> (Inner Exception #1) System.Exception: b
   at A.B.E()<---

¦after
¦fail: Microsoft.AspNetCore.Server.Kestrel[13]
      Connection id \"0HN\" ended
      System.IO.IOException: reset
         at A.B.F()
¦info: next[0]
",
    );
}
