"""The pages of the built-in site, which is served where `neatctl up` was given no directory."""

from __future__ import annotations

TWENTY = b"twenty octets, NEaT\n"
"""The 20-octet file of the paper's workload."""

PATTERN = bytes(range(256)) * 4096
"""A file of 1 MiB to download: the octets 0 to 255, again and again."""

STYLE = b"""\
body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; font: 17px/1.6 system-ui, sans-serif; color: #222; }
h1 { margin-bottom: 0; } .lead { color: #666; margin-top: 0; }
ol.walk { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }
ol.walk li { border: 1px solid #9ab; border-radius: .4rem; padding: .2rem .7rem; background: #f2f6fa; }
ol.walk li + li::before { content: "\\2192"; margin-left: -1.55rem; margin-right: .85rem; color: #9ab; }
pre { background: #f6f6f4; padding: .8rem 1rem; overflow-x: auto; font-size: 14px; } code { font-size: 15px; }
"""

INDEX = b"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<title>neatctl is up</title>
</head>
<body>
<h1>It works.</h1>
<p class="lead">You are looking at a page that never touched the TCP/IP stack of this machine's kernel.</p>
<ol class="walk"><li>your client</li><li>TAP</li><li>driver</li><li>replica <i>n</i></li><li>socket library</li>
<li>web server</li></ol>
<p><b>neatctl</b> runs a TCP/IP stack in user space as several isolated copies, <i>replicas</i>, behind a software
smart NIC. Each box above is a process of its own, and they share nothing but message queues. Your connection lives in
exactly one replica. When a replica dies, its connections are lost and nobody else's; another takes its place within
milliseconds, and this web server does not notice. The design is NEaT: Hruby, Giuffrida, Sambuc, Bos, Tanenbaum,
<i>A NEaT Design for Reliable and Scalable Network Stacks</i>, CoNEXT 2016.</p>
<p>Things to fetch: <a href="20b"><code>/20b</code></a>, the 20-octet file of the paper's measurements;
<a href="1m"><code>/1m</code></a>, 1 MiB. Things to try, in another terminal:</p>
<pre>neatctl status --watch          who is alive, with how many connections
neatctl inject-fault tcp 2      kill the TCP of replica 2, and reload this page
neatctl events --follow         crash, detected, restarted, announced
neatctl scale 6                 more replicas, at once
neatctl up --web DIRECTORY      serve your own files instead of this page</pre>
</body>
</html>
"""
