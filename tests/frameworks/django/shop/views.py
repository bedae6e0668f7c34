import hashlib
import json
import time

from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition

GOODS = [{"id": 1, "name": "Lamp"}, {"id": 2, "name": "Chair"}]
SLOW_S = 0.7


def home(request):
    return render(request, "home.html")


class LogIn(auth.LoginView):
    """Django's own, which says hello afterwards."""

    def form_valid(self, form):
        messages.success(self.request, "Welcome back.")
        answer = super().form_valid(form)
        answer.set_cookie("seen", "yes", samesite="None", secure=True)
        return answer


@login_required
def account(request):
    return render(request, "account.html")


def stream(request):
    def parts():
        yield "<!doctype html><title>Stream</title><p>at once</p>"
        time.sleep(SLOW_S)
        yield "<p>in the end</p>"

    return StreamingHttpResponse(parts())


def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "bytes": file.size, "sha256": hashlib.sha256(file.read()).hexdigest()})


def away(request):
    """A redirect with the whole address, as the application knows it."""
    return redirect(request.build_absolute_uri(reverse("account")))


def old(request):
    return redirect("home", permanent=True)


@cache_control(public=True, max_age=60)
@condition(etag_func=lambda request: '"goods-1"')
def goods(request):
    if request.method == "POST":
        return JsonResponse({"id": 3, **json.loads(request.body)}, status=201)
    if request.method == "DELETE":
        return HttpResponse(status=204)
    return JsonResponse(GOODS, safe=False)


def whoami(request):
    """Where the application believes that it is."""
    return JsonResponse({"url": request.build_absolute_uri(), "secure": request.is_secure()})
